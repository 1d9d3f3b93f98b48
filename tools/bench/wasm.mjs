// Runs MicroPython statements in the WebAssembly build, which has 4-byte pointers as boards have:
// node wasm.mjs MICROPYTHON.MJS '{"files": {"lib/a.mpy": "path on this machine"}, "steps": ["import a", ...], "heap": bytes}'
// What they print goes to stdout. This build collects garbage between the steps, and only there.
import {readFileSync} from 'node:fs'
import {pathToFileURL} from 'node:url'

const [path, text] = process.argv.slice(2)
const {files, steps, heap} = JSON.parse(text)
const {loadMicroPython} = await import(pathToFileURL(path))
const vm = await loadMicroPython({heapsize: heap, stdout: line => console.log(line)})

for (const [target, source] of Object.entries(files)) {
    vm.FS.mkdirTree('/' + target.slice(0, target.lastIndexOf('/')))
    vm.FS.writeFile('/' + target, readFileSync(source))
}
for (const step of steps) {
    vm.runPython(step)
}
