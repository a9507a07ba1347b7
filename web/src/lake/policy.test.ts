import { expect, test } from "vitest";
import { policyValue } from "./policy";

test("values of a policy have units", () => {
  expect(policyValue("write.target-file-size-bytes", "134217728")).toBe("128 MiB");
  expect(policyValue("firn.compact.budget-bytes-per-hour", "no number")).toBe("no number");
  expect(policyValue("history.expire.max-snapshot-age-ms", "432000000")).toBe("5 days");
  expect(policyValue("history.expire.max-snapshot-age-ms", "5400000")).toBe("1.5 hours");
  expect(policyValue("firn.compact.min-input-files", "5")).toBe("5");
  expect(policyValue("firn.compact.sort", "")).toBe("none");
});
