package main

import (
	"context"
	"fmt"

	"orderd/migrations"
)

type migrateCommand struct{ serverFlags }

// Validate rejects a database that would be reached without TLS.
func (c *migrateCommand) Validate() error { return c.checkDatabase() }

// Run applies the migrations that the database lacks.
func (c *migrateCommand) Run(ctx context.Context, to streams) error {
	applied, err := migrations.Up(ctx, c.DatabaseURL)
	if err != nil {
		return err
	}
	fmt.Fprintf(to.logs, "orderd: %d migrations applied, the schema is up to date\n", applied)
	return nil
}
