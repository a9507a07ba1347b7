/*---
kind: model
name: silver.invoice_lines
description: One row for each distinct invoice line; an exact repetition is superseded, not published twice.
materialize:
  mode: upsert
  # All eight source columns, as they are called here: only a line that agrees
  # in every one of them is the same line again.
  key: [invoice_no, stock_code, description, quantity, invoice_ts, unit_price, customer_id, country]
  keep: latest
  order_by: [row_no]
  partition_by: ["month(invoice_ts)"]
  sort_by: [invoice_ts, invoice_no]
read: { bronze.invoice_lines_raw: { as: appends } }
rules:
  - { name: price_positive,    expr: "unit_price > 0",              on_fail: quarantine }
  - { name: not_an_adjustment, expr: "invoice_no NOT LIKE 'A%'",    on_fail: quarantine }
  - { name: quantity_nonzero,  expr: "quantity <> 0",               on_fail: quarantine }
  - { name: customer_known,    expr: "customer_id IS NOT NULL",     on_fail: warn }
relation_rules:
  - { name: line_unique, unique: [invoice_no, stock_code, description, quantity, invoice_ts, unit_price, customer_id, country], on_fail: fail }
trigger: { on: source_commit, min_interval: 2s }
tests:
  - name: an_exact_repetition_is_published_once
    given:
      bronze.invoice_lines_raw:
        - { contributor: France, row_no: 1, InvoiceNo: "536370", StockCode: "22728", Quantity: 24, InvoiceDate: "2010-12-01 08:45:00", UnitPrice: 3.75, CustomerID: 12583, Country: France }
        - { contributor: France, row_no: 2, InvoiceNo: "536370", StockCode: "22728", Quantity: 24, InvoiceDate: "2010-12-01 08:45:00", UnitPrice: 3.75, CustomerID: 12583, Country: France }
    expect:
      - { invoice_no: "536370", stock_code: "22728", quantity: 24, unit_price: "3.750", customer_id: 12583, amount: "90.000", is_cancellation: false }
  - name: a_cancellation_is_known_by_its_number
    given:
      bronze.invoice_lines_raw:
        - { contributor: United Kingdom, row_no: 3, InvoiceNo: C536379, StockCode: D, Quantity: -1, InvoiceDate: "2010-12-01 09:41:00", UnitPrice: 27.5, CustomerID: 14527, Country: United Kingdom }
    expect:
      - { invoice_no: C536379, is_cancellation: true, amount: "-27.500" }
  - name: a_bad_debt_adjustment_goes_to_quarantine
    given:
      bronze.invoice_lines_raw:
        - { contributor: United Kingdom, row_no: 4, InvoiceNo: A563186, StockCode: B, Quantity: 1, InvoiceDate: "2011-08-12 14:51:00", UnitPrice: -11062.06, Country: United Kingdom }
    expect: []
    quarantined: [price_positive, not_an_adjustment]
---*/
SELECT InvoiceNo                                            AS invoice_no,
       StockCode                                            AS stock_code,
       Description                                          AS description,
       CAST(Quantity AS BIGINT)                             AS quantity,
       InvoiceDate                                          AS invoice_ts,
       CAST(UnitPrice AS DECIMAL(12, 3))                    AS unit_price,   -- a failed CAST is the reason unit_price:cast
       CAST(CustomerID AS BIGINT)                           AS customer_id,  -- a number that was published as a double
       Country                                              AS country,
       starts_with(InvoiceNo, 'C')                          AS is_cancellation,
       CAST(Quantity * CAST(UnitPrice AS DECIMAL(12, 3)) AS DECIMAL(18, 3)) AS amount
FROM bronze.invoice_lines_raw
