-- What becomes of the 541,909 rows, counted one by one.
SELECT count(*) AS rows,
       count(*) FILTER (WHERE NOT coalesce(UnitPrice > 0, FALSE)) AS price_positive,
       count(*) FILTER (WHERE left(InvoiceNo, 1) = 'A') AS not_an_adjustment,
       count(*) FILTER (WHERE NOT coalesce(Quantity <> 0, FALSE)) AS quantity_nonzero,
       count(*) FILTER (WHERE NOT coalesce(UnitPrice > 0 AND Quantity <> 0 AND left(InvoiceNo, 1) <> 'A', FALSE)) AS quarantined,
       count(*) FILTER (WHERE UnitPrice > 0 AND Quantity <> 0 AND left(InvoiceNo, 1) <> 'A') AS publishable,
       (SELECT count(*) FROM (SELECT DISTINCT InvoiceNo, StockCode, Description, Quantity, InvoiceDate, UnitPrice, CustomerID, Country
        FROM source WHERE UnitPrice > 0 AND Quantity <> 0 AND left(InvoiceNo, 1) <> 'A')) AS published
FROM source
