WITH lines AS (
  SELECT DISTINCT InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice, CustomerID, Country
  FROM source
  WHERE UnitPrice > 0 AND Quantity <> 0 AND left(InvoiceNo, 1) <> 'A' AND CustomerID IS NOT NULL
), priced AS (
  SELECT CAST(printf('%.0f', CustomerID) AS BIGINT) AS customer_id, InvoiceNo, InvoiceDate,
         CAST(printf('%.3f', UnitPrice) AS DECIMAL(12, 3)) * Quantity AS amount
  FROM lines
)
SELECT customer_id, count(DISTINCT CASE WHEN left(InvoiceNo, 1) <> 'C' THEN InvoiceNo END) AS invoices,
       min(InvoiceDate) AS first_invoice_ts, max(InvoiceDate) AS last_invoice_ts, sum(amount)::DECIMAL(18, 3) AS net_gbp
FROM priced GROUP BY customer_id
