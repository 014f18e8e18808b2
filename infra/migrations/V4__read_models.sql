-- Each projection has a schema of its own now. Read models are folded from the event log, so the old ones are
-- simply dropped: the projector makes them anew when it starts.
DROP SCHEMA IF EXISTS read CASCADE;
CREATE SCHEMA read;
