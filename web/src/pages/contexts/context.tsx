export default function ContextPage() {
  return null;
}
