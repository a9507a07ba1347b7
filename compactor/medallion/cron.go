package medallion

import (
	"fmt"
	"time"

	"github.com/go-co-op/gocron/v2"
)

// schedule answers the next time after t.
type schedule func(t time.Time) time.Time

// parseCron reads a five-field schedule in UTC.
func parseCron(text string) (schedule, error) {
	c := gocron.NewDefaultCron(false)
	if err := c.IsValid(text, time.UTC, time.Now()); err != nil {
		return nil, fmt.Errorf("cron %q is no schedule", text)
	}
	return c.Next, nil
}
