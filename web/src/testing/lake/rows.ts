import { parseTable } from "~/lake/name";
import { at, bronzeHead, countries, runId } from "./base";
import { partitions } from "./tables";

const rules = ["price_positive", "price_positive", "price_positive", "not_an_adjustment", "quantity_nonzero"];
export const quarantine = Array.from({ length: 300 }, (_, i) => ({
  model: "silver.invoice_lines",
  reasons: i % 25 === 0 ? ["price_positive", "quantity_nonzero"] : [rules[i % 5]!],
  runId,
  sourceSnapshotId: bronzeHead,
  sourceTable: "bronze.invoice_lines_raw",
  rowId: `${countries[i % 9]}/${622 + i * 13}`,
  status: "open",
  payload: JSON.stringify({
    contributor: countries[i % 9],
    row_no: 622 + i * 13,
    InvoiceNo: String(536414 + i),
    StockCode: "22139",
    Description: i % 3 ? "RETROSPOT TEA SET CERAMIC 11 PC" : null,
    Quantity: 56,
    InvoiceDate: "2010-12-01T11:52:00Z",
    UnitPrice: 0,
    CustomerID: null,
    Country: countries[i % 9],
  }),
  quarantinedAt: at(22_000 + i * 900),
  lane: countries[i % 9]!,
}));
export const quarantineCounts = [
  { model: "silver.invoice_lines", rule: "price_positive", rows: 2517n },
  { model: "silver.invoice_lines", rule: "not_an_adjustment", rows: 3n },
  { model: "silver.invoice_lines", rule: "quantity_nonzero", rows: 1n },
];

export const channels = countries.map((country, i) => ({
  table: parseTable("bronze.invoice_lines_raw"),
  channel: country.replaceAll(" ", "_"),
  epoch: BigInt(1 + (i % 3)),
  nextOffset: partitions[i]!.rows,
  lastToken: `batch-${120 + i}`,
  snapshotId: bronzeHead,
  updatedAt: at(4000 + i * i * 700),
  duplicates: BigInt(i % 7 === 0 ? i : 0),
}));
