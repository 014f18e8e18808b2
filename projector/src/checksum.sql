-- Sums of the halves of each row's hash: they do not depend on the order of rows, and unlike a
-- concatenation they need no memory.
SELECT format(
    '%s:%s:%s',
    count(*),
    coalesce(sum(('x' || left(h, 16))::bit(64)::bigint), 0),
    coalesce(sum(('x' || right(h, 16))::bit(64)::bigint), 0)
)
FROM (SELECT md5(t::text) AS h FROM {table} t) AS hashed
