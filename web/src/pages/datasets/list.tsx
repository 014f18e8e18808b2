export default function Datasets() {
  return null;
}
