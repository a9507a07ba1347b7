/*---
kind: model
name: gold.daily_sales_by_country
description: Sales of a day in a country. Cancellations count in cancelled_gbp and net_gbp only.
materialize:
  mode: aggregate
  grain: [business_date, country]
  sort_by: [business_date, country]
read: { silver.invoice_lines: { as: changes } }
relation_rules:
  - { name: grain_unique, unique: [business_date, country], on_fail: fail }
trigger: { on: source_commit, min_interval: 4s }
tests:
  - name: a_cancellation_lowers_the_net_only
    given:
      silver.invoice_lines:
        - { invoice_no: "1", invoice_ts: "2011-01-04 10:00:00", country: France, quantity: 2, amount: "10.000", is_cancellation: false }
        - { invoice_no: "1", invoice_ts: "2011-01-04 10:00:00", country: France, quantity: 1, amount: "5.000", is_cancellation: false }
        - { invoice_no: C2, invoice_ts: "2011-01-04 11:00:00", country: France, quantity: -1, amount: "-4.000", is_cancellation: true }
    expect:
      - { business_date: "2011-01-04", country: France, invoices: 1, lines: 3, units_sold: 3, gross_gbp: "15.000", cancelled_gbp: "-4.000", net_gbp: "11.000" }
---*/
SELECT CAST(invoice_ts AS DATE)                                                              AS business_date,
       country,
       count(DISTINCT invoice_no) FILTER (WHERE NOT is_cancellation)                         AS invoices,
       count(*)                                                                              AS lines,
       CAST(coalesce(sum(quantity) FILTER (WHERE NOT is_cancellation), 0) AS BIGINT)         AS units_sold,
       CAST(coalesce(sum(amount) FILTER (WHERE NOT is_cancellation), 0) AS DECIMAL(18, 3))   AS gross_gbp,
       CAST(coalesce(sum(amount) FILTER (WHERE is_cancellation), 0) AS DECIMAL(18, 3))       AS cancelled_gbp,
       CAST(sum(amount) AS DECIMAL(18, 3))                                                   AS net_gbp
FROM silver.invoice_lines
GROUP BY ALL
