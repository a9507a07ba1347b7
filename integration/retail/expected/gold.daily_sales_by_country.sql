-- Sales and cancellations are summed apart and put together again.
WITH lines AS (
  SELECT DISTINCT InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice, CustomerID, Country
  FROM source
  WHERE UnitPrice > 0 AND Quantity <> 0 AND left(InvoiceNo, 1) <> 'A'
), priced AS (
  SELECT date_trunc('day', InvoiceDate)::DATE AS business_date, Country AS country, InvoiceNo, Quantity,
         left(InvoiceNo, 1) = 'C' AS cancelled, CAST(printf('%.3f', UnitPrice) AS DECIMAL(12, 3)) * Quantity AS amount
  FROM lines
), sold AS (
  SELECT business_date, country, count(DISTINCT InvoiceNo) AS invoices, count(*) AS lines, sum(Quantity) AS units, sum(amount) AS gbp
  FROM priced WHERE NOT cancelled GROUP BY ALL
), returned AS (
  SELECT business_date, country, count(*) AS lines, sum(amount) AS gbp FROM priced WHERE cancelled GROUP BY ALL
)
SELECT business_date, country, coalesce(s.invoices, 0) AS invoices, coalesce(s.lines, 0) + coalesce(r.lines, 0) AS lines,
       coalesce(s.units, 0)::BIGINT AS units_sold, coalesce(s.gbp, 0)::DECIMAL(18, 3) AS gross_gbp,
       coalesce(r.gbp, 0)::DECIMAL(18, 3) AS cancelled_gbp,
       (coalesce(s.gbp, 0) + coalesce(r.gbp, 0))::DECIMAL(18, 3) AS net_gbp
FROM sold AS s FULL JOIN returned AS r USING (business_date, country)
