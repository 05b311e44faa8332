package locking

// NewPostgresHashing is NewPostgres with another hash of a key, an SQL expression of %s, so
// that keys can collide.
var NewPostgresHashing = newPostgres
