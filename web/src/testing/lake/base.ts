import { timestampFromMs } from "@bufbuild/protobuf/wkt";

/** When the lake in memory stands still: the tests' own now. */
const now = Date.now();
export const at = (agoMs: number) => timestampFromMs(now - agoMs);

export const MINUTE = 60_000;
export const KIB = 1024;
export const MIB = 1024 * KIB;

export const runId = "0193a7c2-4f1e-7b11-9d55-2f7d8f0a6c01";
export const bronzeHead = 8123456789012345678n;

export const countries = [
  "United Kingdom",
  "Germany",
  "France",
  "EIRE",
  "Spain",
  "Netherlands",
  "Belgium",
  "Switzerland",
  "Portugal",
  "Australia",
  "Norway",
  "Italy",
  "Channel Islands",
  "Finland",
  "Cyprus",
  "Sweden",
  "Unspecified",
  "Austria",
  "Denmark",
  "Japan",
  "Poland",
  "Israel",
  "USA",
  "Hong Kong",
  "Singapore",
  "Iceland",
  "Canada",
  "Greece",
  "Malta",
  "United Arab Emirates",
  "European Community",
  "RSA",
  "Lebanon",
  "Lithuania",
  "Brazil",
  "Czech Republic",
  "Bahrain",
  "Saudi Arabia",
];
