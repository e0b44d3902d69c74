export { hasEmbeddedDatabase } from './home.ts'
export {
  type ConnectionFacts,
  type EmbeddedServer,
  startEmbeddedServer,
} from './start-embedded-server.ts'
