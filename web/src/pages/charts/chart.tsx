export default function ChartPage() {
  return null;
}
