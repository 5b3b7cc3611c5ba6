# Compiler settings and the few functions that every folder uses.
include(GNUInstallDirs)
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)

foreach(package jansson yaml-0.1 libcurl libmicrohttpd gnutls sqlite3)
  string(MAKE_C_IDENTIFIER ${package} target)
  pkg_check_modules(${target} REQUIRED IMPORTED_TARGET ${package})
endforeach()

set(CMAKE_C_STANDARD 17)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
include(CheckPIESupported)
check_pie_supported(LANGUAGES C) # programs are linked with -pie, whatever the compiler's default

# The release preset puts programs and plugins where `make build` promises them.
set(ORCHESTRATOR_OUTPUT ${CMAKE_BINARY_DIR} CACHE PATH "Where bin/ and lib/ are made")
set(CMAKE_RUNTIME_OUTPUT_DIRECTORY ${ORCHESTRATOR_OUTPUT}/bin)
set(ORCHESTRATOR_PLUGIN_DIR ${ORCHESTRATOR_OUTPUT}/lib/orchestrator)

add_compile_options(-Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
                    $<$<C_COMPILER_ID:GNU>:-Wno-format-truncation> # messages are cut on purpose
                    -Werror=format-security -Werror -fvisibility=hidden -fno-strict-aliasing)
add_compile_definitions(_GNU_SOURCE ORCHESTRATOR_VERSION="${PROJECT_VERSION}")
# What is kept up to date step by step is compared with a recount now and then.
add_compile_definitions($<$<CONFIG:Debug>:ORCHESTRATOR_CHECKED>)
string(REPLACE "-DNDEBUG" "" CMAKE_C_FLAGS_RELEASE "${CMAKE_C_FLAGS_RELEASE}") # asserts stay on
if(CMAKE_BUILD_TYPE STREQUAL "Release")
  add_compile_options(-ffile-prefix-map=${CMAKE_SOURCE_DIR}/=) # the same bytes from any folder
  add_compile_options(-O2 -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection)
  if(CMAKE_SYSTEM_PROCESSOR STREQUAL "x86_64")
    add_compile_options(-fcf-protection)
  endif()
  add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack -Wl,--as-needed)
endif()
set(ORCHESTRATOR_SANITIZE "" CACHE STRING "Sanitizers: address,undefined or thread")
if(ORCHESTRATOR_SANITIZE)
  add_compile_options(-fsanitize=${ORCHESTRATOR_SANITIZE} -fno-omit-frame-pointer
                      -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${ORCHESTRATOR_SANITIZE})
endif()
option(ORCHESTRATOR_FAILPOINTS "Named places where tests make the daemon fail (base/failpoint.h)" OFF)
if(ORCHESTRATOR_FAILPOINTS)
  add_compile_definitions(ORCHESTRATOR_FAILPOINTS)
endif()
option(ORCHESTRATOR_FUZZ "Build the fuzz targets, and no other tests (clang)" OFF)
option(ORCHESTRATOR_BUGGIFY "Faults inside the code, for the simulator only" OFF)
if(ORCHESTRATOR_BUGGIFY)
  add_compile_definitions(ORCHESTRATOR_BUGGIFY)
endif()
option(ORCHESTRATOR_COVERAGE "Count the lines that tests run" OFF)
if(ORCHESTRATOR_COVERAGE)
  add_compile_options(--coverage -fprofile-abs-path -fprofile-update=atomic)
  add_link_options(--coverage)
endif()

# orchestrator_core_library(core_base SOURCES a.c b.c LINKS PkgConfig::gnutls)
function(orchestrator_core_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINKS" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR}/core ${CMAKE_SOURCE_DIR}/sdk/include)
  target_link_libraries(${name} PUBLIC ${arg_LINKS})
endfunction()

# orchestrator_plugin(scheduler spread SOURCES spread.c LINKS ...): scheduler-spread.so, from the
# public headers only.
function(orchestrator_plugin kind name)
  cmake_parse_arguments(arg "" "" "SOURCES;LINKS" ${ARGN})
  set(target plugin_${kind}_${name})
  add_library(${target} MODULE ${arg_SOURCES})
  target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/sdk/include)
  target_link_libraries(${target} PRIVATE ${arg_LINKS})
  if(NOT ORCHESTRATOR_SANITIZE)
    target_link_options(${target} PRIVATE -Wl,-z,defs)
  endif()
  set_target_properties(${target} PROPERTIES PREFIX "" OUTPUT_NAME ${kind}-${name}
                        LIBRARY_OUTPUT_DIRECTORY ${ORCHESTRATOR_PLUGIN_DIR})
  install(TARGETS ${target} LIBRARY DESTINATION lib/orchestrator)
  set_property(GLOBAL APPEND PROPERTY ORCHESTRATOR_PLUGINS ${target})
endfunction()

# orchestrator_unit_test(base_text SOURCES test_text.c LINKS core_base): a Criterion program. Those
# marked THREADED run under the thread sanitizer as well, there without Criterion (tests/tsan/); the
# others are not built for it.
function(orchestrator_unit_test name)
  cmake_parse_arguments(arg "THREADED" "" "SOURCES;LINKS" ${ARGN})
  set(target test_${name})
  add_executable(${target} ${arg_SOURCES})
  target_include_directories(${target} PRIVATE ${CMAKE_SOURCE_DIR}/tests)
  target_compile_options(${target} PRIVATE -Wno-missing-prototypes -Wno-conversion)
  target_link_libraries(${target} PRIVATE ${arg_LINKS})
  if(ORCHESTRATOR_SANITIZE STREQUAL "thread")
    target_include_directories(${target} BEFORE PRIVATE ${CMAKE_SOURCE_DIR}/tests/tsan)
    if(NOT arg_THREADED)
      set_target_properties(${target} PROPERTIES EXCLUDE_FROM_ALL ON)
      return()
    endif()
  else()
    if(NOT TARGET PkgConfig::criterion)
      pkg_check_modules(criterion REQUIRED IMPORTED_TARGET GLOBAL criterion)
    endif()
    target_link_libraries(${target} PRIVATE PkgConfig::criterion)
  endif()
  add_test(NAME unit.${name} COMMAND ${target})
  set_tests_properties(unit.${name} PROPERTIES LABELS unit TIMEOUT 120)
endfunction()
