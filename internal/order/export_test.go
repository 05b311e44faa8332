package order

// OneLane has all orders wait in one, however many processors there are.
func (l *Lanes) OneLane() { l.lanes = l.lanes[:1] }
