"""A video made: sessions, what steers them, their record, and making one again."""
