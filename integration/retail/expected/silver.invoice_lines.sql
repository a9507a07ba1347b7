-- Every distinct line that satisfies the three rules, from the published file
-- alone. Prices go through text, so that no binary fraction is cut off unseen.
WITH lines AS (
  SELECT DISTINCT InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice, CustomerID, Country
  FROM source
  WHERE UnitPrice > 0 AND Quantity <> 0 AND left(InvoiceNo, 1) <> 'A'
)
SELECT InvoiceNo AS invoice_no, StockCode AS stock_code, Description AS description, Quantity AS quantity,
       InvoiceDate AS invoice_ts, CAST(printf('%.3f', UnitPrice) AS DECIMAL(12, 3)) AS unit_price,
       CAST(printf('%.0f', CustomerID) AS BIGINT) AS customer_id, Country AS country,
       left(InvoiceNo, 1) = 'C' AS is_cancellation,
       CAST(printf('%.3f', UnitPrice) AS DECIMAL(12, 3)) * Quantity AS amount
FROM lines
