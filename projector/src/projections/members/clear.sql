DELETE FROM members WHERE workspace_id = ANY ($1)
