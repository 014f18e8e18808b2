-- How far the models are: everything up to the position can be read. The generation tells versions and definitions of the
-- projections apart, and by the schemas' numbers also tables that were folded anew and took the place of others.
SELECT coalesce(min(position), 0) AS position,
       ((coalesce(sum(hashtextextended(name || coalesce(tables::text, ''), version)), 0)
         + (SELECT coalesce(sum(hashtextextended(n.oid::text, 0)), 0)
            FROM pg_namespace n WHERE n.nspname = ANY (current_schemas(false)))) % 9007199254740993)::bigint AS generation
FROM checkpoint
