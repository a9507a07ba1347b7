import { TransportProvider } from "@connectrpc/connect-query";
import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { setNonce } from "get-nonce";
import { Tooltip } from "radix-ui";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { transport } from "~/api/transport";
import { LiveProvider } from "~/app/live";
import { router } from "~/app/router";
import { ToastProvider } from "~/ui/toast";
import "./app/styles.css";

// Dialogs add a style element of their own; the policy takes it with the nonce.
const nonce = document.querySelector<HTMLMetaElement>("meta[property=csp-nonce]")?.nonce;
if (nonce) setNonce(nonce);

const client = new QueryClient({
  defaultOptions: {
    // A machine without a network still has its loopback, and Firn on it: always ask.
    queries: { retry: 1, staleTime: 2000, refetchOnWindowFocus: true, networkMode: "always" },
    mutations: { networkMode: "always" },
  },
});

createRoot(document.getElementById("root")!).render(
  <StrictMode>
    <TransportProvider transport={transport}>
      <QueryClientProvider client={client}>
        <LiveProvider>
          <Tooltip.Provider delayDuration={250}>
            <ToastProvider>
              <RouterProvider router={router} />
            </ToastProvider>
          </Tooltip.Provider>
        </LiveProvider>
      </QueryClientProvider>
    </TransportProvider>
  </StrictMode>,
);
