<#
.SYNOPSIS
Removes the native IIS module(s) @TITLE@ (@DLL@).

.DESCRIPTION
Undoes install.ps1 in reverse: handler mappings, <modules>, <globalModules>, application pools, files. Doing it twice
makes a second backup and changes nothing more. Written by `bivalve iis package`.

.PARAMETER Destination
The folder that install.ps1 was given.

.PARAMETER Site
The sites that the modules were enabled for. A web.config that names a module is not changed: take it out first.

.PARAMETER AppPool
More application pools to recycle, besides those of the sites.
#>
[CmdletBinding()]
param(
    [string] $Destination = (Join-Path $env:ProgramFiles @FOLDER@),
    [string[]] $Site = @(@SITES@),
    [string[]] $AppPool = @()
)

Set-StrictMode -Version 2.0
$ErrorActionPreference = 'Stop'

$modules = @(@NAMES@)
$handlers = @(@HANDLERS@)
$files = @(@FILES@)
$inetsrv = Join-Path $env:windir 'System32\inetsrv'
$appcmd = Join-Path $inetsrv 'appcmd.exe'
$useAppCmd = Test-Path -LiteralPath $appcmd
@COMMON@
# Every version's folder, as far as it holds what install.ps1 put there; nothing else is touched.
function Remove-Files {
    if (-not (Test-Path -LiteralPath $Destination)) { Say "$Destination is not there."; return }
    foreach ($folder in Get-ChildItem -LiteralPath $Destination -Directory) {
        if ($folder.Name -notmatch '^[0-9a-f]{12}$') { continue }
        foreach ($file in $files) {
            $path = Join-Path $folder.FullName $file.Name
            if (-not (Test-Path -LiteralPath $path)) { continue }
            try {
                Remove-Item -LiteralPath $path
                Say "Deleted $path."
            } catch {
                Say "$path is still in use. Repeat this when the last worker process that loaded it has ended."
            }
        }
        if (-not (Get-ChildItem -LiteralPath $folder.FullName -Force)) { Remove-Item -LiteralPath $folder.FullName }
    }
    if (-not (Get-ChildItem -LiteralPath $Destination -Force)) { Remove-Item -LiteralPath $Destination }
}

try {
    Test-Ready
    $pools = Get-Pools
    Backup-Configuration ('bivalve-' + (Get-Date -Format 'yyyyMMdd-HHmmss'))
    foreach ($one in $Site) {
        foreach ($handler in $handlers) {
            if (Remove-Entry 'system.webServer/handlers' $one $handler.Name) { Say "Removed handler $($handler.Name) from $one." }
        }
        foreach ($name in $modules) {
            if (Remove-Entry 'system.webServer/modules' $one $name) { Say "Disabled $name for $one." }
        }
    }
    foreach ($name in $modules) {
        # Where somebody enabled it for the whole server by hand.
        if (Remove-Entry 'system.webServer/modules' '' $name) { Say "Disabled $name for the server." }
        if (Remove-Entry 'system.webServer/globalModules' '' $name) { Say "Unregistered $name." } else { Say "$name is not registered." }
    }
    foreach ($pool in $pools) { Reset-Pool $pool }
    Remove-Files
    Write-Output ''
    Write-Output "Done. The backup $backupName stays."
} catch {
    Show-Failure $_
    exit 1
}
