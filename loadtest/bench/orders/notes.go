package orders

import "fmt"

// notes say what a reader of the table has to know.
func notes(p Plan, f Figures) []string {
	clients := "Clients are goroutines of one process, each with a connection, on the machine that they share with all servers."
	if cost := f.figure(hot).Median.ClientUS; cost > 0 {
		clients = fmt.Sprintf("Clients are goroutines of one process, each with a connection; they took %.0f µs of CPU for an order "+
			"of the first kind, on the machine that they share with all servers.", cost)
	}
	notes := []string{
		"pgbench: orderd's schema, default durability, three statements in one transaction over prepared statements; " +
			"CTE: the same as one statement, without a verdict.",
		fmt.Sprintf("Every database holds %d sales and is fresh for each measurement. ", pastSales) + clients,
		"A closed loop, but for the open one: there orders are due evenly, whether or not those before are answered, and wait from then. " +
			"It counts all orders that were due in the window.",
		"Every confirmed order was found in the ledger as it was answered, or is counted as wrong.",
	}
	notes = append(notes, fmt.Sprintf("Where each group takes %s, %d clients send %d orders together: what is counted are the refusals, and what they and "+
		"the orders that wait take is the memory.", crowdWork, crowdClients, crowdOrders))
	notes = append(notes, "API keys, idempotency keys and events: each client has a key and each order one of its own, which is stored with it, "+
		"and one replica or another delivers every sale to a stream in Redis.")
	if p.Large > 0 {
		notes = append(notes, fmt.Sprintf("The large database holds %d sales, their keys and their movements already, and is the same in all rounds.", p.Large))
	}
	return notes
}
