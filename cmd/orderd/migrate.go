package main

import (
	"context"
	"fmt"
	"io"

	"orderd/migrations"
)

type migrateCommand struct{ databaseFlags }

// Run applies the migrations that the database lacks.
func (c *migrateCommand) Run(ctx context.Context, logs io.Writer) error {
	applied, err := migrations.Up(ctx, c.DatabaseURL)
	if err != nil {
		return err
	}
	fmt.Fprintf(logs, "orderd: %d migrations applied, the schema is up to date\n", applied)
	return nil
}
