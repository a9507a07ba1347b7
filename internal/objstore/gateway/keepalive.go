package gateway

import "github.com/gofiber/fiber/v3"

// closeAfterChunkedBody ends the connection after a request whose body came with
// `Transfer-Encoding: chunked`, so that keep-alive can be on for all others.
//
// versitygw reads an aws-chunked body to its own last chunk and no further: the
// terminating chunk of the HTTP encoding around it ("0\r\n\r\n") stays in the
// connection, and its drain leaves such bodies alone because fasthttp cannot say
// whether they have ended. The next thing parsed as a request is then that rest:
// the server answers 400 to nobody, and the client takes it for the answer to
// its next request. That is why pyarrow (the AWS SDK for C++, which sends parts
// this way) saw CompleteMultipartUpload fail at random: 7 of 100 here, none with
// this.
func closeAfterChunkedBody(ctx fiber.Ctx) error {
	err := ctx.Next()
	if ctx.Request().Header.ContentLength() < 0 && len(ctx.Request().Header.Peek("Transfer-Encoding")) > 0 {
		ctx.Response().Header.SetConnectionClose()
	}
	return err
}
