export default function Dataset() {
  return null;
}
