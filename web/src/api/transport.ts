import { createConnectTransport } from "@connectrpc/connect-web";

/** Talks to the process that served this page. */
export const transport = createConnectTransport({ baseUrl: "/", useBinaryFormat: true });
