import { useMutation, useQueryClient } from "@tanstack/react-query";
import { asProblem } from "@/api/problems";
import { announce } from "@/components/announce";
import { endSilence, silencesQuery } from "./queries";

/** End silences, and ask anew for the alerts that they have hidden. */
export function useEndSilence() {
  const client = useQueryClient();
  return useMutation({
    mutationFn: endSilence,
    onSuccess: (ended) => {
      client.setQueryData(silencesQuery.queryKey, (old) =>
        old === undefined ? old : { ...old, items: old.items.map((item) => (item.id === ended.id ? ended : item)) });
      void client.invalidateQueries({ queryKey: ["alerts"] });
      announce("The silence has ended; what it hid is shown again.");
    },
    onError: (error) => announce(`It was not ended: ${asProblem(error).detail}`),
  });
}
