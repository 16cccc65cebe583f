import "@mantine/core/styles.layer.css";
import "@/components/tokens.css";
import { localStorageColorSchemeManager, MantineProvider } from "@mantine/core";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { setNonce } from "get-nonce";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { session } from "@/api/browser";
import { makeQueryClient } from "@/api/query";
import { PartsContext } from "@/components/parts";
import { SCHEME_KEY, theme } from "@/components/theme";
import { parts } from "./parts";
import { router } from "./router";
import { beginSession } from "./session/link";

// Mantine and the scroll lock of its dialogs write style elements; the policy takes those with this document's nonce.
const nonce = document.querySelector<HTMLMetaElement>("meta[property=csp-nonce]")?.nonce ?? "";
if (nonce !== "") setNonce(nonce);

const colours = localStorageColorSchemeManager({ key: SCHEME_KEY });
const queries = makeQueryClient();
session.subscribe(() => {
  if (session.getState() === "out") queries.clear(); // nothing of one user is seen by the next
});

async function start(): Promise<void> {
  const root = document.getElementById("root");
  if (root === null) return;
  await beginSession();
  createRoot(root).render(
    <StrictMode>
      <QueryClientProvider client={queries}>
        <MantineProvider
          theme={theme}
          defaultColorScheme="auto"
          colorSchemeManager={colours}
          getStyleNonce={() => nonce}
        >
          <PartsContext value={parts}>
            <RouterProvider router={router} />
          </PartsContext>
        </MantineProvider>
      </QueryClientProvider>
    </StrictMode>,
  );
}

void start();
