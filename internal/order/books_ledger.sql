-- Checks the ledger against itself: movements that do not follow from the one before them.
-- Returns SKU and version, and what is wrong there.
WITH followed AS (
    SELECT sku, version, delta, on_hand,
           lag(version, 1, 0::bigint) OVER each AS version_before, lag(on_hand, 1, 0::bigint) OVER each AS on_hand_before
    FROM movements WINDOW each AS (PARTITION BY sku ORDER BY version)
)
SELECT format('%s version %s', sku, version), concat_ws('; ',
    CASE WHEN version <> version_before + 1 THEN format('follows version %s', version_before) END,
    CASE WHEN on_hand <> on_hand_before + delta
        THEN format('on_hand is %s, %s and %s make %s', on_hand, on_hand_before, delta, on_hand_before + delta) END)
FROM followed
WHERE version <> version_before + 1 OR on_hand <> on_hand_before + delta
