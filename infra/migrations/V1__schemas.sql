-- People and how they prove who they are. Personal data lives here and nowhere else.
CREATE SCHEMA accounts;

-- What the projections make of the event log. Its tables belong to them, so that they can be dropped and folded again.
CREATE SCHEMA read;
