"""Where the vault's passphrase is kept between sessions, and how it is changed without being lost."""
