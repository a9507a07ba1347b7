import { describe, expect, it } from "vitest";
import { fieldsOf } from "./payload";

describe("fields of a payload", () => {
  it("keeps numbers digit for digit, and values as they were written", () => {
    expect(fieldsOf('{ "id": 9223372036854775807, "price": 1.50, "note": "a, \\"b\\": {", "none": null }')).toEqual([
      ["id", "9223372036854775807"],
      ["price", "1.50"],
      ["note", '"a, \\"b\\": {"'],
      ["none", "null"],
    ]);
  });
  it("does not take the value of an inner field of the same name", () => {
    expect(fieldsOf('{"inner":{"b":1,"c":[2,3]},"b":2}')).toEqual([
      ["inner", '{"b":1,"c":[2,3]}'],
      ["b", "2"],
    ]);
  });
  it("has nothing to say about what is no object", () => {
    expect(fieldsOf("[1,2]")).toBeUndefined();
    expect(fieldsOf("{broken")).toBeUndefined();
    expect(fieldsOf("{}")).toEqual([]);
  });
});
