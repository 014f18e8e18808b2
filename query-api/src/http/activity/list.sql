-- What happened.
SELECT a.position, a.at, a.actor, a.user_id, a.type, a.aggregate, a.subject_id, a.subject_name, a.title, a.detail,
       {key} AS cursor_key
FROM activity a
WHERE a.workspace_id = $1
  AND {after}
  AND ($5::text[] IS NULL OR a.type = ANY ($5::text[]))
  AND ($6::text[] IS NULL OR a.aggregate = ANY ($6::text[]))
  AND ($7::text IS NULL OR a.actor = $7::text)
  AND ($8::uuid IS NULL OR a.user_id = $8::uuid)
  AND ($9::uuid IS NULL OR a.subject_id = $9::uuid)
  AND ($10::timestamptz IS NULL OR a.at >= $10::timestamptz)
  AND ($11::timestamptz IS NULL OR a.at < $11::timestamptz)
ORDER BY {order}
LIMIT $4::bigint
