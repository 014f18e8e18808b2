import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

// In development the pages come from Vite and everything else from a Weir that runs beside it.
const weir = process.env.WEIR_URL ?? "http://127.0.0.1:8080";

const proxy = Object.fromEntries(
  ["/api", "/health", "/metrics", "/docs", "/openapi.json", "/asyncapi.json"].map((path) => [path, weir]),
);

export default defineConfig({
  plugins: [react()],
  server: { proxy },
  preview: { proxy },
  // The pages say where styles may come from with a nonce: a data: address in them would need a rule of its own.
  build: { target: "es2022", assetsInlineLimit: 0, modulePreload: { polyfill: false }, chunkSizeWarningLimit: 900 },
  test: {
    environment: "jsdom",
    include: ["src/**/*.test.{ts,tsx}"],
    setupFiles: ["src/testing/setup.ts"],
    restoreMocks: true,
  },
});
