package gateway

import (
	"strconv"

	"github.com/gofiber/fiber/v3"
	"github.com/prometheus/client_golang/prometheus"
)

// metrics are what clients asked of the gateway: engines rarely say how often
// they go to the store, and small files are paid for in requests.
type metrics struct {
	requests *prometheus.CounterVec
	sent     prometheus.Counter
}

func newMetrics(reg prometheus.Registerer) *metrics {
	m := &metrics{
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{Name: "firn_gateway_requests_total", Help: "Requests to the embedded object store, by method and status class."}, []string{"method", "code"}),
		sent:     prometheus.NewCounter(prometheus.CounterOpts{Name: "firn_gateway_sent_bytes_total", Help: "Bytes of answers of the embedded object store."}),
	}
	if reg != nil {
		reg.MustRegister(m.requests, m.sent)
	}
	return m
}

func (m *metrics) count(ctx fiber.Ctx) error {
	err := ctx.Next()
	answer := ctx.Response()
	m.requests.WithLabelValues(method(ctx.Method()), strconv.Itoa(answer.StatusCode()/100)+"xx").Inc()
	if n := answer.Header.ContentLength(); n > 0 && ctx.Method() != fiber.MethodHead {
		m.sent.Add(float64(n))
	} else {
		m.sent.Add(float64(len(answer.Body())))
	}
	return err
}

// method keeps the label to the words of S3.
func method(s string) string {
	switch s {
	case fiber.MethodGet, fiber.MethodHead, fiber.MethodPut, fiber.MethodPost, fiber.MethodDelete:
		return s
	}
	return "other"
}
