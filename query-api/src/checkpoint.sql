-- How far the models are: everything up to the position can be read.
SELECT coalesce(min(position), 0) AS position,
       (coalesce(sum(hashtextextended(name || coalesce(tables::text, ''), version)), 0) % 9007199254740993)::bigint AS generation
FROM checkpoint
