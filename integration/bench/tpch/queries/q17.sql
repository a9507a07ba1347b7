SELECT CAST(CAST(sum(l_extendedprice) AS DOUBLE) / 7 AS DECIMAL(15, 4)) AS avg_yearly
FROM lineitem, part
WHERE p_partkey = l_partkey
  AND p_brand = 'Brand#23'
  AND p_container = 'MED BOX'
  AND CAST(l_quantity AS DOUBLE) < (
      SELECT 0.2e0 * avg(CAST(l_quantity AS DOUBLE))
      FROM lineitem
      WHERE l_partkey = p_partkey)
