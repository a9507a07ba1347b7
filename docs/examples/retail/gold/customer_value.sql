/*---
kind: model
name: gold.customer_value
description: What each known customer bought, net of cancellations.
materialize:
  mode: aggregate
  grain: [customer_id]
  sort_by: [customer_id]
read: { silver.invoice_lines: { as: changes } }
relation_rules:
  - { name: grain_unique, unique: [customer_id], on_fail: fail }
trigger: { on: source_commit, min_interval: 4s }
tests:
  - name: unknown_customers_are_left_out
    given:
      silver.invoice_lines:
        - { invoice_no: "1", invoice_ts: "2011-01-04 10:00:00", customer_id: 7, amount: "10.000", is_cancellation: false }
        - { invoice_no: C2, invoice_ts: "2011-01-05 11:00:00", customer_id: 7, amount: "-4.000", is_cancellation: true }
        - { invoice_no: "3", invoice_ts: "2011-01-06 10:00:00", amount: "99.000", is_cancellation: false }
    expect:
      - { customer_id: 7, invoices: 1, first_invoice_ts: "2011-01-04 10:00:00", last_invoice_ts: "2011-01-05 11:00:00", net_gbp: "6.000" }
---*/
SELECT customer_id,
       count(DISTINCT invoice_no) FILTER (WHERE NOT is_cancellation) AS invoices,
       min(invoice_ts)                                               AS first_invoice_ts,
       max(invoice_ts)                                               AS last_invoice_ts,
       CAST(sum(amount) AS DECIMAL(18, 3))                           AS net_gbp
FROM silver.invoice_lines
WHERE customer_id IS NOT NULL
GROUP BY customer_id
