-- The key of the tags by which removed secrets are told apart.
CREATE TABLE tag_key (key BLOB NOT NULL CHECK (length(key) = 32)) STRICT;
INSERT INTO tag_key (key) VALUES (randomblob(32));
