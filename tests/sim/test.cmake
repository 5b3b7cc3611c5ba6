# Runs the same seeds twice and compares the hashes of their traces.
foreach(run 1 2)
  execute_process(COMMAND ${SIM} --seeds ${SEEDS} --hashes OUTPUT_VARIABLE out_${run}
                  RESULT_VARIABLE code)
  if(code)
    message(FATAL_ERROR "seeds failed:\n${out_${run}}")
  endif()
  string(REGEX REPLACE "seeds [^\n]*\n$" "" out_${run} "${out_${run}}") # how long it took
endforeach()
if(NOT out_1 STREQUAL out_2)
  message(FATAL_ERROR "two runs of the same seeds differ:\n${out_1}\n${out_2}")
endif()
