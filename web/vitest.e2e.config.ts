import { defineConfig } from "vitest/config";

// In a real browser, against a real server: one after the other.
export default defineConfig({
  test: { environment: "node", include: ["e2e/**/*.e2e.ts"], fileParallelism: false, testTimeout: 120_000 },
});
