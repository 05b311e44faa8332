package locking

// NewPostgresHashing is NewPostgres with another hash of a key, the SQL
// expression %s: for keys that collide.
var NewPostgresHashing = newPostgres
