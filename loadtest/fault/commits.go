package fault

// A replica that loses the connection at COMMIT cannot know the outcome, and has to look it
// up before it answers. Both cases look the same to it.
var commitLost = Fault{
	Name: "commit-lost", Title: "the COMMIT is lost, and the connection with it",
	Modes: leased, TTL: longTTL, Excludes: true,
	Breaks: never,
	Schedule: func(s *Scene) error {
		gate, err := s.written(s.A)
		if err != nil {
			return err
		}
		return s.severed(gate, "%s's COMMIT was lost")
	},
}

var commitReplyLost = Fault{
	Name: "commit-reply-lost", Title: "Postgres commits and its answer is lost, and the connection with it",
	Modes: leased, TTL: longTTL, Excludes: true,
	Breaks: never,
	Schedule: func(s *Scene) error {
		gate, err := s.committed(s.A)
		if err != nil {
			return err
		}
		return s.severed(gate, "%s's COMMIT was done, and the answer lost")
	},
}

func (s *Scene) severed(gate interface{ Sever() }, what string) error {
	s.order(s.B)
	if err := s.waiting(s.B); err != nil {
		return err
	}
	gate.Sever()
	s.fired(what, s.A.ID)
	return s.answered(s.A, s.B)
}
