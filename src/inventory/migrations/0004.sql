-- When the credential that the account signs in with expires, where it is no key and the provider said so.
ALTER TABLE account ADD COLUMN credential_expires_at INTEGER;
-- The key that an account signs in with: one of thousands.
CREATE INDEX key_self ON key (organization_id) WHERE self = 1;
