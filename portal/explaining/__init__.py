"""The page that tells why a contact is written to, or not."""
