COPY activity (
    workspace_id, position, at, actor, user_id, type, aggregate, subject_id, subject_name, title, detail
) FROM STDIN (FORMAT binary)
