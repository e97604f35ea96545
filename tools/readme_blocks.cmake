# tools/readme_blocks.cmake: turns the code blocks of README.md into tests, word for word.
#
#   ```cpp       with an "int main": compiled, linked and run as the test readme.block_N
#   ```cpp test  without one: compiled
#   ```cpp       without either: only written to build/readme/block_N.cpp
#   ```sh test   run by bash in an empty folder, with the built limpid first in PATH
#
# N counts the cpp and "sh test" blocks from 1. Included by CMakeLists.txt; runs again whenever
# README.md changes. A fence must start in the first column.

set(readme_folder ${PROJECT_BINARY_DIR}/readme)
file(MAKE_DIRECTORY ${readme_folder}/run)
set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/README.md)

# Write a file only if its text is new, so that nothing is compiled again for no reason.
function(limpid_write file text)
  set(old_text "")
  if(EXISTS ${file})
    file(READ ${file} old_text)
  endif()
  if(NOT text STREQUAL old_text)
    file(WRITE ${file} "${text}")
  endif()
endfunction()

function(limpid_readme_cpp name info code)
  set(file ${readme_folder}/${name}.cpp)
  limpid_write(${file} "${code}")
  if(code MATCHES "int main")
    add_executable(readme_${name} ${file})
    set_target_properties(readme_${name} PROPERTIES
      RUNTIME_OUTPUT_DIRECTORY $<1:${readme_folder}>)
    add_test(NAME readme.${name} COMMAND readme_${name} WORKING_DIRECTORY ${readme_folder}/run)
    set_tests_properties(readme.${name} PROPERTIES LABELS readme TIMEOUT 900)
  elseif(info STREQUAL "cpp test")
    add_library(readme_${name} OBJECT ${file})
  else()
    return()
  endif()
  target_link_libraries(readme_${name} PRIVATE ${limpid_libraries})
endfunction()

function(limpid_readme_sh name code)
  set(file ${readme_folder}/${name}.sh)
  limpid_write(${file} "set -euo pipefail
PATH='${PROJECT_BINARY_DIR}':$PATH
folder=$(mktemp -d)
trap 'rm -rf \"$folder\"' EXIT
cd \"$folder\"
${code}")
  add_test(NAME readme.${name} COMMAND bash ${file})
  set_tests_properties(readme.${name} PROPERTIES LABELS readme TIMEOUT 900)
endfunction()

# Walk from fence to fence. Only string(FIND) and string(SUBSTRING) touch the text: a CMake list
# would choke on the semicolons and brackets of C++.
file(READ ${PROJECT_SOURCE_DIR}/README.md rest)
set(rest "\n${rest}")
set(number 0)
while(TRUE)
  # The opening fence, and its info string: the language and perhaps a tag.
  string(FIND "${rest}" "\n```" at)
  if(at EQUAL -1)
    break()
  endif()
  math(EXPR at "${at} + 4")
  string(SUBSTRING "${rest}" ${at} -1 rest)
  string(FIND "${rest}" "\n" at)
  string(SUBSTRING "${rest}" 0 ${at} info)
  string(STRIP "${info}" info)
  string(SUBSTRING "${rest}" ${at} -1 rest)

  # The code, up to the closing fence. The search starts at a newline, so a block may be empty.
  string(FIND "${rest}" "\n```" at)
  if(at EQUAL -1)
    message(FATAL_ERROR "limpid: README.md: a code block is never closed")
  endif()
  string(SUBSTRING "${rest}" 0 ${at} code)
  string(SUBSTRING "${code}" 1 -1 code)
  math(EXPR at "${at} + 4")
  string(SUBSTRING "${rest}" ${at} -1 rest)

  if(info MATCHES "^cpp( |$)")
    math(EXPR number "${number} + 1")
    limpid_readme_cpp(block_${number} "${info}" "${code}\n")
  elseif(info STREQUAL "sh test")
    math(EXPR number "${number} + 1")
    limpid_readme_sh(block_${number} "${code}\n")
  endif()
endwhile()
