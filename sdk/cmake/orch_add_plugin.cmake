# orch_add_plugin(scheduler my-name SOURCES a.c [LINKS lib...]) makes scheduler-my-name.so: hidden
# visibility, one exported symbol, no symbol left open. Its target is plugin_scheduler_my-name;
# `install` puts it where the orchestrator looks.
set(ORCH_PLUGIN_MAP "${CMAKE_CURRENT_LIST_DIR}/plugin.map")
function(orch_add_plugin kind name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINKS" ${ARGN})
  set(target plugin_${kind}_${name})
  add_library(${target} MODULE ${arg_SOURCES})
  target_link_libraries(${target} PRIVATE orchestrator-sdk::sdk ${arg_LINKS})
  target_compile_options(${target} PRIVATE -Wall -Wextra)
  target_link_options(${target} PRIVATE -Wl,-z,defs -Wl,-z,now
                      -Wl,--version-script=${ORCH_PLUGIN_MAP})
  set_target_properties(${target} PROPERTIES PREFIX "" OUTPUT_NAME ${kind}-${name}
                        C_VISIBILITY_PRESET hidden CXX_VISIBILITY_PRESET hidden
                        LINK_DEPENDS ${ORCH_PLUGIN_MAP})
  install(TARGETS ${target} LIBRARY DESTINATION lib/orchestrator)
endfunction()
