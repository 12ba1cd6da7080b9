-- The key of the tags by which removed secrets are told apart.
CREATE TABLE tag_key (key TEXT NOT NULL CHECK (length(key) = 64)) STRICT;
INSERT INTO tag_key (key) VALUES (hex(randomblob(32)));
